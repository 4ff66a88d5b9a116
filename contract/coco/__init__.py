"""COCO files as the contract has them: the document, its boxes, and the rules that it is checked by."""
