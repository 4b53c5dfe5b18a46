"""What a recording's file holds and where: containers in, the parts that libsndfile can decode out.

Headers are checked against what is there. Nothing here decodes samples.
"""
