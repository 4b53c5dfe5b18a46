"""Training: cuts of speech, or text, in; a model folder out. Read in this order:

run           a whole training on speech: settings in, model folder out
dataset       cuts in, batches out, in an order that can be resumed
augment       what is varied in training speech
trainer       the loss of a batch of speech, and what happens after an epoch
loop          steps, checkpoints, stops and resumption: what every training does
checkpoint    what a run keeps on disk, and whether it begins, resumes or has nothing to do
monitor       what a run reports to a person and to its logs
launch        devices, processes and precision
init_from     the start from another model's weights
card          the model card
rnn_lm        a whole training of a recurrent language model, rnn_trainer its part of the loop
"""
