"""Number words and the words that stand next to them."""

_UNIT_NAMES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEEN_NAMES = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"]
_TEEN_NAMES += ["nineteen"]
_TEN_NAMES = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
UNITS = {name: value for value, name in enumerate(_UNIT_NAMES, start=1)}
TEENS = {name: value for value, name in enumerate(_TEEN_NAMES, start=10)}
TENS = {name: 10 * value for value, name in enumerate(_TEN_NAMES, start=2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "quadrillion": 10**15}
SCALES |= {"quintillion": 10**18, "sextillion": 10**21}
ZEROS = {"zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0"}
DIGITS = {name: str(value) for name, value in UNITS.items()} | ZEROS
REPEATS = {"double": 2, "triple": 3}

_ORDINAL_UNIT_NAMES = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"]
ORDINAL_UNITS = {name: value for value, name in enumerate(_ORDINAL_UNIT_NAMES, start=1)}
ORDINAL_TEENS = {"twelfth" if name == "twelve" else f"{name}th": value for name, value in TEENS.items()}
ORDINAL_TENS = {f"{name[:-1]}ieth": value for name, value in TENS.items()}
ORDINAL_SCALES = {f"{name}th": value for name, value in SCALES.items()}
DECADES = {f"{name[:-1]}ies": value for name, value in TENS.items()} | {"tens": 10, "hundreds": 0}

# twenty-five and twenty-fifth in one word, which some texts have
COMPOUNDS = {f"{tens}-{unit}": TENS[tens] + UNITS[unit] for tens in TENS for unit in UNITS}
ORDINAL_COMPOUNDS = {f"{tens}-{unit}": TENS[tens] + ORDINAL_UNITS[unit] for tens in TENS for unit in ORDINAL_UNITS}

BELOW_HUNDRED = {**UNITS, **TEENS, **TENS, **COMPOUNDS}
ORDINALS_BELOW_HUNDRED = {**ORDINAL_UNITS, **ORDINAL_TEENS, **ORDINAL_TENS, **ORDINAL_COMPOUNDS}
BARE_SCALES = {"hundred", *SCALES}
NUMBER_WORDS = {"zero", *BELOW_HUNDRED, *BARE_SCALES}
ORDINAL_WORDS = {"hundredth", *ORDINAL_SCALES, *ORDINALS_BELOW_HUNDRED}
# Parts of a whole, which stay words together with the number before them. Seconds are a time.
FRACTIONS = {"half", "halves", "third", "quarter", "quarters", *(f"{word}s" for word in ORDINAL_WORDS - {"second"})}

MONTHS = {"january": 31, "february": 29, "march": 31, "april": 30, "may": 31, "june": 30}
MONTHS |= {"july": 31, "august": 31, "september": 30, "october": 31, "november": 30, "december": 31}
VERB_MONTHS = {"may", "march"}

# Of the signs in asr/text/numbers.py those that English texts use. Pounds are a weight, too.
CURRENCIES = {"dollar": "$", "euro": "€", "rupee": "₹"}
CURRENCIES |= {f"{name}s": sign for name, sign in CURRENCIES.items()} | {"yen": "¥"}
SMALL_CURRENCIES = {"cent", "cents", "pence"}

# Units that measure and nothing else: the number before them is always in figures. A foot is a part of the body, too.
_UNITS_AND_FORMS = {"kilometer", "kilometre", "centimeter", "centimetre", "millimeter", "millimetre", "micrometer"}
_UNITS_AND_FORMS |= {"kilogram", "milligram", "gram", "liter", "litre", "milliliter", "millilitre", "hectare"}
_UNITS_AND_FORMS |= {
    "megabyte",
    "gigabyte",
    "terabyte",
    "kilobyte",
    "kilobit",
    "megabit",
    "gigabit",
    "watt",
    "kilowatt",
}
_UNITS_AND_FORMS |= {"megawatt", "gigawatt", "volt", "millivolt", "amp", "ampere", "megapixel", "decibel", "calorie"}
_UNITS_AND_FORMS |= {"millisecond", "microsecond", "nanosecond"}
MEASURES = (
    _UNITS_AND_FORMS | {f"{unit}s" for unit in _UNITS_AND_FORMS} | {"hertz", "kilohertz", "megahertz", "gigahertz"}
)
# Several words that are one sign, or one abbreviation.
LONG_MEASURES = {
    ("miles", "per", "hour"): "mph",
    ("mile", "per", "hour"): "mph",
    ("kilometers", "per", "hour"): "km/h",
    ("kilometres", "per", "hour"): "km/h",
    ("degrees", "celsius"): "°C",
    ("degrees", "centigrade"): "°C",
    ("degrees", "fahrenheit"): "°F",
    ("degree", "celsius"): "°C",
    ("degree", "fahrenheit"): "°F",
    ("square", "kilometers"): "square kilometers",
    ("square", "kilometres"): "square kilometres",
    ("square", "meters"): "square meters",
    ("square", "metres"): "square metres",
    ("percentage", "point"): "percentage point",
    ("percentage", "points"): "percentage points",
}
# Of other things that are measured and counted, after which a number is neither a year nor a time.
COUNTED = {"men", "women", "people", "children", "feet", "teeth", "mice", "geese", "sheep", "cattle", "horse", "foot"}
COUNTED |= {"oxen", "percent", "per", "dozen", "odd", "fold", "score", "mile", "pound", "year", "minute", "hour", "day"}
COUNTED |= {"inch", "ton", "acre", "yard", "each", "apiece", "degree", "dollar", "euro", "yen", "square", "cubic"}
COUNTED |= {"head", "fish", "deer", "point", "more", "other", "different", "new", "old", "young", "little"}
# Words in s that are no plural.
NO_PLURALS = {"was", "is", "this", "has", "his", "as", "us", "yes", "its", "thus", "always", "perhaps", "plus"}
NO_PLURALS |= {"minus", "times", "less", "unless", "across"}
NO_PLURALS |= {"does", "goes", "says", "seems", "besides", "towards", "afterwards", "because", "business", "news"}
NO_PLURALS |= {"james", "charles"}
NO_PLURALS |= {"that's", "he's", "she's", "it's", "there's", "what's", "who's", "let's", "christmas", "paris", "jesus"}


def is_counted(word: str) -> bool:
    """Return whether a word is likely a thing that a number before it counts: men, miles, dollars."""
    plural = len(word) > 3 and word[-1] == "s" and word[-2] != "s" and word[-2:] != "'s" and word not in NO_PLURALS
    return plural or word in COUNTED or word in MEASURES
