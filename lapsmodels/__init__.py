"""The thin models that stand on lapsdata: trackers, motion tokenizer, sequence encoder, training."""
