"""Results of evaluations in, one web page out: rates, comparisons, and the worst utterances with their sound.

results.py reads the files; groups.py, confusions.py and significance.py count; examples.py gathers sound and pictures
of single utterances; charts.py and png.py draw; render.py makes the page. The page needs no network and runs no code
of anybody else's.
"""
