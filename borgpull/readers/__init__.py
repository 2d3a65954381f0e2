"""Readers of `stream`: what reads on the client, or from it. Each is a module in one dict."""
