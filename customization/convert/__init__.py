"""Convert labels of other tools to the contract's COCO files: boxes as fractions, ids from 1 without gaps.

One module per format reads it into `LabelledImages`; `split` splits them; `write` writes them. Errors are collected and raised
together as `ConversionFailed`, each with its file and the line or index in it.
"""

from vision_customization.customization.convert.coco_boxes import read_coco
from vision_customization.customization.convert.csv_rows import read_csv
from vision_customization.customization.convert.folders import read_folders
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.pascal_voc import read_voc
from vision_customization.customization.convert.split import FormerParts, split
from vision_customization.customization.convert.write import check_replaced, copy_files, plan_copies, to_coco, write_coco
from vision_customization.customization.convert.yolo import read_yolo

__all__ = [
    "FormerParts",
    "LabelledImage",
    "LabelledImages",
    "check_replaced",
    "copy_files",
    "plan_copies",
    "read_coco",
    "read_csv",
    "read_folders",
    "read_voc",
    "read_yolo",
    "split",
    "to_coco",
    "write_coco",
]
