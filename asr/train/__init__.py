"""Training: cuts of speech, or text, in; a model folder out.

`run` trains an acoustic model: `dataset` and `augment` make batches, `trainer` has their loss, `card` describes the
result. `rnn_lm` and `rnn_trainer` train a recurrent language model, `punctuator/` what adds marks and capitals. All run
the steps of `loop`, which `checkpoint` saves and `monitor` reports, on the devices of `launch`; `init_from` starts from
another model's weights.
"""
