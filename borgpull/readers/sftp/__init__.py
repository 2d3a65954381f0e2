"""The reader of `stream` for clients without a shell or a Python: it speaks SFTP itself.

`python3 -m borgpull.readers.sftp` runs on the server, between the engine and `ssh -s sftp`. To the
engine it is a helper (`client/scripts/stream_list.py`): it answers the same questions by the same
frames. It keeps many requests on their way, because each one costs a round trip.
"""
