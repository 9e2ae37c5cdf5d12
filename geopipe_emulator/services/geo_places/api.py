"""ReverseGeocode of `geo-places`: checks requests and builds responses. The other operations are missing.

The gazetteer knows places and no streets, so every result is a Locality: without street, postal code or number.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from geopipe_gazetteer.gazetteer import Place, default_places

from ...protocol.errors import ServiceError, not_emulated, validation_error
from ...service import Environment, Handler, RequestContext
from .countries import COUNTRIES
from .nearby import places_near
from .rate_limit import RateLimit

_PLACE_TYPE = "Locality"
# The model limits labels and names to this many characters.
_LONGEST_TEXT = 200
# What would change the response on AWS in a way that the gazetteer cannot follow.
_NOT_EMULATED = ("AdditionalFeatures", "PoliticalView", "Key")


class PlacesService:
    """Amazon Location Places as a service of this endpoint."""

    name = "geo-places"
    model_name = "geo-places"

    def __init__(self, environment: Environment) -> None:
        self._per_second = environment.settings.places_requests_per_second
        self._limits: dict[str, RateLimit] = {}
        self.operations: Mapping[str, Handler] = {"ReverseGeocode": self._reverse_geocode}

    def start(self) -> None:
        """Do nothing: the gazetteer is loaded with the first request."""

    def stop(self) -> None:
        """Do nothing: there is no thread to end."""

    def _reverse_geocode(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        # `setdefault` is atomic, so two first requests of a region share one limit.
        if not self._limits.setdefault(context.region, RateLimit(self._per_second)).take():
            raise ServiceError("ThrottlingException", "Rate exceeded", 429)
        for name in _NOT_EMULATED:
            if name in parameters:
                raise not_emulated(self.name, f"{name} in ReverseGeocode")
        longitude, latitude = _point(parameters["QueryPosition"])
        types = parameters.get("Filter", {}).get("IncludePlaceTypes", [_PLACE_TYPE])
        is_stored = parameters.get("IntendedUse") == "Storage"
        response: dict[str, Any] = {"PricingBucket": "Stored" if is_stored else "Core", "ResultItems": []}
        if _PLACE_TYPE not in types:
            return response
        places = default_places()
        count, radius = parameters.get("MaxResults", 1), parameters.get("QueryRadius", math.inf)
        for index, meters in places_near(places, latitude, longitude, count, radius):
            response["ResultItems"].append(_item(index, places.gazetteer.place(index), meters))
        return response


def _point(position: list[float]) -> tuple[float, float]:
    """Returns longitude and latitude. Raises AWS's ValidationException for a point that is not on Earth."""
    longitude, latitude = position
    problem = ""
    # A comparison with NaN is false.
    if not -180.0 <= longitude <= 180.0:
        problem = "The longitude must be between -180 and 180 degrees."
    elif not -90.0 <= latitude <= 90.0:
        problem = "The latitude must be between -90 and 90 degrees."
    if problem:
        raise validation_error(f"QueryPosition: {problem}", {"QueryPosition": problem})
    return longitude, latitude


def _item(index: int, place: Place, meters: float) -> dict[str, Any]:
    label = place.label[:_LONGEST_TEXT]
    country = COUNTRIES[place.country]
    address: dict[str, Any] = {
        "Label": label,
        "Country": {"Code2": country.code2, "Code3": place.country, "Name": country.name},
        "Locality": place.name[:_LONGEST_TEXT],
    }
    if place.region:
        address["Region"] = {"Name": place.region}
    return {
        "PlaceId": base64.urlsafe_b64encode(f"geonames/{index}".encode()).decode().rstrip("="),
        "PlaceType": _PLACE_TYPE,
        "Title": label,
        "Address": address,
        "Position": [place.longitude, place.latitude],
        "Distance": round(meters),
    }
