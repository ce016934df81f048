"""Studies: a question, its arms, and the graph of stages that answers it.

A study compares *arms*. An arm is what is done between the initial checkpoint and a
target: a chain of *phases*, each one training stage. The arm "none" has no phase and is
what every other arm is compared with.

    config     what decides a study, as plain values
    axes       which arms a study has; a file for each axis
    graph      arms, targets and seeds to stages, each with an id
    zero_shot  labels in a target's language are refused, or marked
    claims     who works at a stage: one worker at a time, wherever it runs
    directory  what of a study is done, as its files say
    executor   one worker's way through the stages
    remaining  how long it will still take

The same config gives the same graph: up to it nothing opens a file or reads a clock.
Only `claims`, `directory` and `executor` do; nothing here trains.
"""
