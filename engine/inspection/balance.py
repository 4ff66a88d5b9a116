"""How evenly a dataset's images are spread over its tags, in words."""

from collections.abc import Mapping

from vision_customization.contract.texts import counted

UNEVEN = 10
"""Times as many images from which on the most frequent tag is worth a warning."""

BALANCED = 2
"""Times as many images below which the tags are balanced."""

FEW = 5
"""Images of a tag below which its results are mostly chance: five to ten are enough to start with."""

_NAMED = 3


def balance_text(images_by_tag: Mapping[str, int]) -> str:
    """What to know about the numbers of images per tag, in one or two sentences; empty without tags."""
    if not images_by_tag:
        return ""
    ordered = sorted(images_by_tag.items(), key=lambda item: (item[1], item[0]))
    (rarest, least), (commonest, most) = ordered[0], ordered[-1]
    said = []
    if len(ordered) > 1:
        if not least:
            said.append(f"“{rarest}” is on no image, so a model cannot learn it.")
        elif most == least:
            said.append(f"Each tag is on {counted(most, 'image')}.")
        elif most < BALANCED * least:
            said.append(f"The tags are balanced: each is on {least:,} to {most:,} images.")
        else:
            times = f"{most / least:.1f}".removesuffix(".0")
            said.append(f"“{commonest}” is on {times} times as many images as “{rarest}” ({most:,} and {least:,}).")
            if most >= UNEVEN * least:
                said.append(f"A model sees “{rarest}” too rarely to learn it as well: add images of it.")
    few = [tag for tag, count in ordered if 0 < count < FEW]
    if few:
        more = f" and {len(few) - _NAMED:,} more" if len(few) > _NAMED else ""
        named = ", ".join(f"“{tag}”" for tag in few[:_NAMED]) + more
        said.append(f"Fewer than {FEW} images have {named}: results for such a tag are mostly chance.")
    return " ".join(said)
