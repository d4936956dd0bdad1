"""Making the base model: scripted players, their transcripts, a tokenizer, and training from scratch. Users of a base never need it."""
