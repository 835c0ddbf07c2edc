"""Sequences of codes as vectors, vectors as clusters, and scores of clusters that stand beside those of controls.

`sequences` says which codes belong to which segment, `embeddings` lists what makes a vector of them, `clusterers` what
makes clusters of vectors, `scores` how good these are, and `comparison` puts every control beside the prediction.
"""
