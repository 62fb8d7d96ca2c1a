"""Requests of SDKs in: who may send, what is in them, and keeping it before anybody is told so.

The server brings bytes here and turns what comes out into HTTP; nothing here knows of it but the numbers of its
answers.
"""
