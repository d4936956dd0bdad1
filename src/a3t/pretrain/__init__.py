"""Making the base: scripted players, their transcripts, a tokenizer, training from scratch. Users of a base never need it."""
