"""Training of punctuators. Read in this order:

silences.py     marks -> silences after words, as speakers make them
batches.py      a text with marks and cases -> windows for the network
network.py      the network in torch
trainer.py      its loss, and how it is measured
run.py          texts and settings -> a punctuator's folder
"""
