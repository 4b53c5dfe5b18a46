"""Words and what people write for them, by hand.

Conventions: AP Stylebook for figures from ten (1,000 with its comma, 5 percent as 5%, $5 million, 3 p.m., 50 cents,
5 o'clock), Guardian style guide for abbreviations without points, and the classes of Google's and NeMo's test sets for
inverse text normalisation. An entry without an arrow must stay as it is.
"""

CASES = {
    "cardinals": """
        twenty five -> 25
        ten -> 10
        there were twelve of us -> there were 12 of us
        ninety nine -> 99
        one hundred men -> 100 men
        two hundred -> 200
        two hundred and fifty four -> 254
        two hundred fifty four -> 254
        one thousand -> 1,000
        one thousand thirteen -> 1,013
        two hundred and six thousand -> 206,000
        forty six thousand six hundred sixty four -> 46,664
        one million one hundred fifty six thousand one hundred seventy three -> 1,156,173
        two million three -> 2,000,003
        three million people -> 3 million people
        two hundred and fifty million -> 250 million
        one billion -> 1 billion
        fifteen trillion -> 15 trillion
        eleven hundred -> 1,100
        fifteen hundred men -> 1,500 men
        twenty one hundred and eleven -> 2,111
        a hundred and twenty men -> 120 men
        a thousand and one nights -> 1,001 nights
        a hundred and fifty thousand people -> 150,000 people
        about fifty or sixty feet -> about 50 or 60 feet
        from ten to twelve -> from 10 to 12
        one hundred and two hundred -> 100 and 200
        between one million and two million -> between 1 million and 2 million
        twenty-five -> 25
        one hundred and twenty-five -> 125
        Twenty Five -> 25
        a ten year old boy -> a 10-year-old boy
        ten years old -> 10 years old
        forty winks
        a hundred men
        a thousand times no
        half a million people
        several hundred and twenty
        thousands of men
        two fifty
        sixty four sixty five
        ten eleven twelve
        five and twenty years
        two or three hundred men
        two or three or four hundred
        one or two thousand
        ten or fifteen thousand
        between one hundred and fifty
        he is five foot ten
        ten to one he comes
        one in ten
        nine out of ten
        the ten commandments
        twenty something
    """,
    "small": """
        one of them
        no one came
        two and two
        two or three of the four men
        nine times
        one or two people
        i have one brother
        he was the one
        seven or eight
        one by one
        i for one
        zero
        five to ten minutes -> 5 to 10 minutes
        eight or ten men -> 8 or 10 men
        nine or ten -> 9 or 10
        count from one to ten -> count from 1 to 10
        four plus eighteen is twenty two -> 4 plus 18 is 22
        ten minus five -> 10 minus 5
        this one or ten others -> this one or 10 others
        chapter one -> chapter 1
        page seven -> page 7
        chapter twenty two -> chapter 22
        page one of many
        four million people -> 4 million people
        two million -> 2 million
        minus five -> -5
        minus twenty degrees -> -20 degrees
        number one
    """,
    "ordinals": """
        the twenty first century -> the 21st century
        tenth -> 10th
        the eleventh -> the 11th
        the twelfth man -> the 12th man
        the thirteenth -> the 13th
        twenty second -> 22nd
        twenty third -> 23rd
        one hundred eleventh -> 111th
        one hundred and twenty first -> 121st
        twenty five thousand one hundred eleventh -> 25,111th
        the two hundredth time -> the 200th time
        every tenth man -> every 10th man
        twenty-first -> 21st
        the first time
        second to none
        a second
        wait a second
        the third man
        on the one hand and second on the other
        a tenth of it
        one tenth
        three tenths
        nineteen twentieths
        one hundredth
        the tenth of a second
        the tenth part
        a twenty second delay
        five hundred second hand cars -> 500 second hand cars
        louis the fourteenth
        at the eleventh hour
    """,
    "years": """
        nineteen eighty four -> 1984
        in nineteen eighty four -> in 1984
        in two thousand and ten -> in 2010
        two thousand and nine -> 2009
        two thousand three -> 2003
        the year two thousand -> the year 2000
        twenty twenty six -> 2026
        twenty twelve -> 2012
        nineteen seventeen -> 1917
        nineteen oh five -> 1905
        eighteen o three -> 1803
        sixteen sixty five -> 1665
        in ten sixty six -> in 1066
        in eleven fifty five -> in 1155
        since nineteen hundred -> since 1900
        eighteen hundred and five -> 1805
        in eighteen fifteen -> in 1815
        bombay eighteen seventeen he said -> bombay 1817 he said
        seventeen fifty six to eighteen thirty -> 1756 to 1830
        in one thousand and sixty six -> in 1066
        from nineteen ninety to two thousand five -> from 1990 to 2005
        nineteen eighty four and two thousand ten -> 1984 and 2010
        the winter of eighteen sixty six to sixty seven -> the winter of 1866 to 67
        the nineteen eighties -> the 1980s
        nineteen nineties -> 1990s
        the eighteen hundreds -> the 1800s
        five hundred b c -> 500 BC
        forty four b c -> 44 BC
        seven fifty b c -> 750 BC
        sixty a d -> 60 AD
        nineteen fourteen to eighteen -> 1914 to 18
        after nineteen hundred years -> after 1,900 years
        fifteen hundred -> 1,500
        two thousand men -> 2,000 men
        two thousand -> 2,000
        in eighteen thirty six ten persons came -> in 1836 ten persons came
        sixteen seventeen
        seventeen eighteen nineteen
        sixteen seventeen years old
        it costs nineteen ninety nine
        the eighties
        in his eighties
        twenty thirty forty
        the twenty twenty games
    """,
    "dates": """
        the third of may -> the 3rd of May
        the twenty fifth of july -> the 25th of July
        the fourth of july -> the 4th of July
        the twenty fifth of july twenty twelve -> the 25th of July 2012
        the first of may nineteen eighty -> the 1st of May 1980
        may third twenty twenty -> May 3, 2020
        july twenty fifth two thousand twelve -> July 25, 2012
        january first -> January 1
        june tenth -> June 10
        on june thirty -> on June 30
        on may first -> on May 1
        on october thirty first we met -> on October 31 we met
        october the first -> October 1
        february fourteen nineteen sixty -> February 14, 1960
        november twenty fourth twenty fourteen -> November 24, 2014
        july two thousand twelve -> July 2012
        october nineteen oh five -> October 1905
        march sixteen sixty five -> March 1665
        in august nineteen seventeen -> in August 1917
        december second eighteen fifty one -> December 2, 1851
        twenty eighth june eighteen sixty three -> 28th June 1863
        may fifth to may tenth -> May 5 to May 10
        the first and second of june
        i may first go
        you may second it
        may i
        we may
        it may be
        they march third
        in june two of them left
        may three men come
        the fifteenth of many -> the 15th of many
        the third of them
    """,
    "times": """
        three thirty p m -> 3:30 p.m.
        two p m -> 2 p.m.
        eleven forty a m -> 11:40 a.m.
        eleven o six p m -> 11:06 p.m.
        seven oh five a m -> 7:05 a.m.
        three pm -> 3 p.m.
        at three am we left -> at 3 a.m. we left
        at three thirty -> at 3:30
        at ten fifteen -> at 10:15
        until two thirty -> until 2:30
        at about eight thirty -> at about 8:30
        at eight o six -> at 8:06
        it is ten thirty -> it is 10:30
        it's two thirty -> it's 2:30
        from nine thirty to five fifteen -> from 9:30 to 5:15
        at nine thirty or ten fifteen -> at 9:30 or 10:15
        the ten thirty train -> the 10:30 train
        six forty five and nine fifty five p m -> 6:45 and 9:55 p.m.
        five o'clock -> 5 o'clock
        at ten o'clock -> at 10 o'clock
        three o'clock in the morning -> 3 o'clock in the morning
        five o clock -> 5 o'clock
        three thirty in the afternoon -> 3:30 in the afternoon
        one p m to two thirty p m -> 1 p.m. to 2:30 p.m.
        twelve thirty tomorrow -> 12:30 tomorrow
        at ten or ten thirty -> at 10 or 10:30
        from two to three thirty -> from 2 to 3:30
        i live at twelve thirty four main street
        from two to three
        half past two
        half past ten
        quarter to twelve
        a quarter past eleven
        ten past four
        twenty minutes to three
        at twenty to five
        two thirty
        at two fifty a share
        at five fifty dollars
        at five
        the time is three
    """,
    "money": """
        twenty five dollars -> $25
        two dollars -> $2
        one dollar -> $1
        five dollars and fifty cents -> $5.50
        twenty nine dollars fifty cents -> $29.50
        seventy five dollars sixty three -> $75.63
        eleven dollars and five cents -> $11.05
        nine hundred ninety three dollars and ninety two cents -> $993.92
        fifteen thousand dollars -> $15,000
        fifteen hundred dollars -> $1,500
        two million dollars -> $2 million
        two point five billion dollars -> $2.5 billion
        two and a half million dollars -> $2.5 million
        twenty point five dollars -> $20.5
        a twenty dollar bill -> a $20 bill
        a hundred dollars -> $100
        a hundred and fifty dollars -> $150
        five to ten dollars -> $5 to $10
        five pounds fifty -> £5.50
        five pounds and fifty pence -> £5.50
        ten pounds sterling -> £10
        thirty euros -> €30
        ten euros fifty -> €10.50
        five hundred yen -> ¥500
        fifty rupees -> ₹50
        fifty cents -> 50 cents
        five cents -> 5 cents
        fifty pence -> 50 pence
        twenty pounds of sugar -> 20 pounds of sugar
        five pounds ten
        five dollars fifty men said -> $5 50 men said
        a dollar
        a dollar fifty
        a million dollars
        half a million dollars
        my two cents
        a few dollars
        million dollar baby
        one fifty five dollars
    """,
    "percent": """
        ten percent -> 10%
        ten per cent -> 10%
        one percent -> 1%
        ninety nine point nine percent -> 99.9%
        five and a half percent -> 5.5%
        a hundred percent -> 100%
        five to ten percent -> 5% to 10%
        between five and ten percent -> between 5% and 10%
        two percentage points -> 2 percentage points
        zero percent -> 0%
        one hundred and ten percent -> 110%
        minus two percent -> -2%
        half a percent
        a percent
        per cent
    """,
    "decimals": """
        three point one four -> 3.14
        zero point five -> 0.5
        sixty point two four zero zero -> 60.2400
        eighteen point o five -> 18.05
        eighteen point one oh -> 18.10
        one point five -> 1.5
        five point two million -> 5.2 million
        one hundred sixty four point five eight thousand -> 164.58 thousand
        two thousand eight hundred five point eight seven three billion -> 2,805.873 billion
        minus sixty point two four -> -60.24
        twenty five and a half miles -> 25½ miles
        ten and three quarters -> 10¾
        version three point eleven point two -> version 3.11.2
        python three point eleven -> python 3.11
        two and a half
        three quarters
        two thirds of it
        one half
        at one point two men left
        there is one point one should remember
        point taken
        point five
        the point one makes
        that point is one
    """,
    "units": """
        sixty miles per hour -> 60 mph
        five miles per hour -> 5 mph
        two hundred kilometers per hour -> 200 km/h
        twenty degrees celsius -> 20 °C
        minus five degrees celsius -> -5 °C
        ninety eight point six degrees fahrenheit -> 98.6 °F
        five kilometers -> 5 kilometers
        three kilograms -> 3 kilograms
        two gigabytes -> 2 gigabytes
        eighteen square kilometers -> 18 square kilometers
        five watts -> 5 watts
        one point five liters -> 1.5 liters
        sixty miles an hour -> 60 miles an hour
        twenty feet -> 20 feet
        two feet
        five miles
        six years
        ten years -> 10 years
        thirty seconds -> 30 seconds
        miles per hour
    """,
    "digits": """
        five five five one two three four -> 555-1234
        double o seven -> 007
        triple nine -> 999
        nine one one -> 911
        four oh four -> 404
        one two three one two three five six seven eight -> 1231235678
        two one two five five five oh one two three -> 212-555-0123
        one eight hundred five five five one two one two -> 1-800-555-1212
        eight hundred five five five twelve twelve -> 800-555-1212
        five five five twelve thirty four -> 555-1234
        oh two oh seven nine four six oh nine five eight -> 02079460958
        plus four four two oh seven nine four six oh nine five eight -> +442079460958
        plus forty four two oh seven nine four six oh nine five eight -> +442079460958
        four three two double seven three two -> 432-7732
        one oh one -> 101
        twenty four seven -> 24/7
        fifty fifty -> 50-50
        one two three
        one two one two
        three two one
        one two three four five
        oh no
        oh two or three
        oh one of them
        double trouble
        o lord
        two two
        one nine two dot one six eight
    """,
    "letters": """
        u s a -> USA
        the u s a and the b b c -> the USA and the BBC
        the u s -> the US
        a u s citizen -> a US citizen
        a b b c reporter -> a BBC reporter
        i b m -> IBM
        the a b c of it -> the ABC of it
        d v d -> DVD
        a t v -> a TV
        d n a -> DNA
        p h d -> PhD
        e g this -> e.g. this
        o k -> OK
        the b b c's news -> the BBC's news
        x y z -> XYZ
        r e y k j a v i k -> REYKJAVIK
        the name is m a r i a -> the name is MARIA
        a b c d e f g -> ABCDEFG
        the a i model -> the AI model
        u k -> UK
        the u n -> the UN
        n n w -> NNW
        i
        a
        i i think
        a a man
        so a i do not know
        i o
        o o o o
        r r r
        missus p s house
        mister b g king
        s
        plan b
        x ray
        am i
        p s i love you -> PS i love you
    """,
}


def read_cases() -> list[tuple[str, str, str]]:
    """Return the class, the words and the written text of each case."""
    cases = []
    for name, table in CASES.items():
        for line in table.strip().splitlines():
            words, _, written = line.strip().partition(" -> ")
            cases.append((name, words, written or words))
    return cases
