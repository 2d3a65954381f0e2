"""`make bench`: our jobs beside the same work by hand, all in one run.

Everything runs in containers on one machine. A proxy adds the round trip, if there is one. Trees,
repositories and borg's caches are in memory if there is room: a disk's speed changes more from one
job to the next than the jobs differ. All use the same tree, the same borg, repokey-blake2 and lz4.

The speed of a shared machine may change by a third within minutes. So in a turn each job of a plan
runs once, and the next turn begins with another job. A ratio is one of two jobs of the same turn,
and the table has the medians of the turns.
"""
