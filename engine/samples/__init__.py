"""Images that models find novel, kept for people to label: from what a model sees to what it learns."""
