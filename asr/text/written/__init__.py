"""English words in, numbers, dates, times, money and abbreviations as people write them out. Read in this order:

window.py         the words around one place: what rules may look at
vocabulary.py     number words and the words next to them
cardinals.py      words -> integers, ordinals among them
amounts.py        decimals, fractions, money, percent, units
dates.py          years, decades, days of a month
times.py          times of day
digit_strings.py  telephone numbers, versions
letters.py        spelled-out letters
context.py        numbers that stay words: idioms, lists, approximations
write.py          all of it in one pass over the words
punctuated.py     the same with punctuation: marks end numbers, or stand behind what was written

Knows nothing of recognisers. Each rule takes a window and a place and returns what it wrote, or None. Words are
covered exactly once and in order. Where a rule is not sure, the words stay.
"""
