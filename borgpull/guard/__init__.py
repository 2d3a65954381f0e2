"""The guard: has a client lost, or rewritten, what it had in its last good runs?"""
