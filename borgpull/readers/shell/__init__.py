"""The readers of `stream` for clients with a shell and no Python: `find`, and `busybox`.

`python3 -m borgpull.readers.shell` runs on the server, between the engine and two shells of the
client: one lists by `find`, one answers for content. To the engine it is a helper.
"""
