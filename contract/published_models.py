"""Published names, an extension of the contract."""

from vision_customization.contract.wire import Name, Timestamp, Wire


class PublishedModelPut(Wire):
    """Extension. Body of `PUT /publishedmodels/{name}`: the model that the name answers with from now on."""

    model_name: Name


class PublishedModel(Wire):
    """Extension: a stable name that `model-name` of analyze accepts, and the model behind it."""

    name: str
    model_name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp
