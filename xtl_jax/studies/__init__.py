"""Studies: a question, its arms, and the graph of stages that answers it.

A study compares *arms*. An arm is what is done between the initial checkpoint and a
target: a chain of *phases*, each one training stage. The arm "none" has no phase and is
what every other arm is compared with.

    config     what decides a study, as plain values
    axes       which arms a study has; a file for each axis
    graph      arms, targets and seeds to stages, each with an id
    zero_shot  labels in a target's language are refused, or marked

Nothing here opens a file, reads a clock or trains: the same config gives the same
graph.
"""
