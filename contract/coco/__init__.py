"""The contract's COCO files: the document, its boxes, and the rules for checking them."""
