"""Decoding: sequences written by an encoder-decoder, one token after another.

Shapes, here and in all files of this folder: B sentences that are still written, S source steps, V target tokens, W
unfinished prefixes of each sentence, N = B * W rows of a batch, a sentence's prefixes one after another.
"""
