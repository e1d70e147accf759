"""What the API's description shows. A test holds them to what it really answers."""

from typing import Any

REQUEST: dict[str, Any] = {
    "type": "person",
    "name": "Nicolas Maduro",
    "birth_date": "1962-11-23",
    "countries": ["ve"],
    "client_ref": "customer-4711",
}

REQUEST_ID = "0190163d-8694-739b-aea5-966c26f8ad91"

_SAMPLE: dict[str, Any] = {
    "name": "sample",
    "version": "sample-1",
    "sha256": "2d2923d44bb9903f04ffdd3590d514df5c86b6ac113e2f65d0ffbe142800d690",
    "loaded_at": "2030-01-31T09:30:00Z",
    "entities": 575,
}

ANSWER: dict[str, Any] = {
    "id": REQUEST_ID,
    "client_ref": "customer-4711",
    "status": "potential_match",
    "units": 1,
    "results": [
        {
            "list": "sample",
            "entity_id": "ofac-22790",
            "name": "MADURO MOROS, Nicolas",
            "matched_name": "MADURO MOROS, Nicolas",
            "type": "person",
            "score": 0.9407,
            "match": True,
            "explanations": [
                {
                    "feature": "name",
                    "score": 0.8607,
                    "detail": "2 of 2 parts agree with the name on the list.",
                },
                {"feature": "birth_date", "score": 1.0, "detail": "The same day of birth."},
                {"feature": "country", "score": 1.0, "detail": "A country is the same."},
            ],
            "programs": ["VENEZUELA"],
            "birth_dates": ["1962-11-23"],
            "countries": ["ve"],
        }
    ],
    "lists": [_SAMPLE],
    "algorithm": "latchkey-parts/1.0",
    "threshold": 0.7,
}

LISTS: dict[str, Any] = {
    "lists": [
        {
            **_SAMPLE,
            "age_seconds": 3600,
            "source": "US Office of Foreign Assets Control (public domain), a small old part",
        }
    ]
}
