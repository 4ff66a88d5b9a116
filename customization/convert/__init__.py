"""Convert labels of other tools to the contract's COCO files: boxes as fractions, ids from 1 without gaps.

One module per format reads it into `LabelledImages`; `split` splits them; `write` writes them. Errors are collected and raised
together as `ConversionFailed`, each with its file and the line or index in it.
"""

from vision_customization.customization.convert.alike import groups_alike
from vision_customization.customization.convert.former import FormerPart, FormerParts, check_replaced
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.multi_label import as_multi_label, check_one_tag_each
from vision_customization.customization.convert.photo_copies import plan_photos, write_photos
from vision_customization.customization.convert.readers.automl import read_automl
from vision_customization.customization.convert.readers.coco_boxes import read_coco
from vision_customization.customization.convert.readers.csv_rows import read_csv
from vision_customization.customization.convert.readers.cvat import read_cvat
from vision_customization.customization.convert.readers.folders import read_folders
from vision_customization.customization.convert.readers.ground_truth import read_ground_truth
from vision_customization.customization.convert.readers.image_list import read_list
from vision_customization.customization.convert.readers.label_studio import read_label_studio
from vision_customization.customization.convert.readers.labelme import read_labelme
from vision_customization.customization.convert.readers.pascal_voc import read_voc
from vision_customization.customization.convert.readers.yolo import read_yolo
from vision_customization.customization.convert.remarks import Effect, Remark, Remarks, What
from vision_customization.customization.convert.split import split, split_as_given
from vision_customization.customization.convert.write import copy_files, origin_of, plan_copies, to_coco, write_coco

__all__ = [
    "Effect",
    "FormerPart",
    "FormerParts",
    "LabelledImage",
    "LabelledImages",
    "Remark",
    "Remarks",
    "What",
    "as_multi_label",
    "check_one_tag_each",
    "check_replaced",
    "copy_files",
    "groups_alike",
    "origin_of",
    "plan_copies",
    "plan_photos",
    "read_automl",
    "read_coco",
    "read_csv",
    "read_cvat",
    "read_folders",
    "read_ground_truth",
    "read_label_studio",
    "read_labelme",
    "read_list",
    "read_voc",
    "read_yolo",
    "split",
    "split_as_given",
    "to_coco",
    "write_coco",
    "write_photos",
]
