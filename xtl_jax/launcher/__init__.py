"""From a job to commands: pure; `xtl_jax.cli.launch` runs what is decided here.

    job -> commands (gcloud, xpk)        one file per back end
    provider's words -> State            states
    job, memory, what is seen -> step    machine

A *job* is one command that all hosts run, and the TPU they run it on. An *attempt* is
one start of the command on all hosts. A *retry* is an attempt that a preemption, a
crash or a machine that cannot be reached has made necessary.
"""
