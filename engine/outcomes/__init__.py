"""Outcomes: what a model answered for each image of an evaluation or an estimate, stored in pages, and what that
says about the model. How it answers is in `learning`."""
