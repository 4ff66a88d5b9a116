"""Convert labels of other tools to the contract's COCO files: boxes as fractions, ids from 1 without gaps.

One module per format reads it into `LabelledImages`; `split` splits them; `write` writes them. Errors are collected and raised
together as `ConversionFailed`, each with its file and the line or index in it.
"""

from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.readers.coco_boxes import read_coco
from vision_customization.customization.convert.readers.csv_rows import read_csv
from vision_customization.customization.convert.readers.folders import read_folders
from vision_customization.customization.convert.readers.pascal_voc import read_voc
from vision_customization.customization.convert.readers.yolo import read_yolo
from vision_customization.customization.convert.remarks import Effect, Remark, Remarks, What
from vision_customization.customization.convert.split import FormerParts, split, split_as_given
from vision_customization.customization.convert.write import check_replaced, copy_files, plan_copies, to_coco, write_coco

__all__ = [
    "Effect",
    "FormerParts",
    "LabelledImage",
    "LabelledImages",
    "Remark",
    "Remarks",
    "What",
    "check_replaced",
    "copy_files",
    "plan_copies",
    "read_coco",
    "read_csv",
    "read_folders",
    "read_voc",
    "read_yolo",
    "split",
    "split_as_given",
    "to_coco",
    "write_coco",
]
