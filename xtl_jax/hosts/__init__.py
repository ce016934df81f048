"""Several hosts as one: who is there, what all agree on, who has gone.

JAX computes across hosts, and waits for one that has died for ever, or aborts without a
name. So the hosts talk to each other beside it, over one connection each to the first:

    host 0   Channel ─┐
    host 1   Channel ─┼─ Hub (in host 0)
    host 2   Channel ─┘

A `Channel` says every few seconds that its host is alive. A host whose connection ends
without a farewell, or that is silent for 45 seconds, is gone: the hub names it to all
others, and they end. A host that fails says why before it ends, and the others end with
its words.

`group.current()` is what the rest of the package asks: which host this is, how many
there are, what the others say. One process alone is a group of one, with no connection.
"""
