"""A small client of the prediction service.

```python
from ml_utils.client import Client

with Client("http://127.0.0.1:8000", key="octavo_…") as service:
    answer = service.predict({"tenure": 3, "plan": "basic"}, customer="K0001")
    service.feedback(outcome=1, request_id=answer.request_id)
```

The same without it:

```
curl -s http://127.0.0.1:8000/predict -H 'content-type: application/json' -H "x-api-key: $KEY" \\
     -d '{"row": {"tenure": 3, "plan": "basic"}, "customer": "K0001"}'
curl -s http://127.0.0.1:8000/predict/batch -H 'content-type: application/json' -H "x-api-key: $KEY" \\
     -d '{"requests": [{"row": {"tenure": 3, "plan": "basic"}, "customer": "K0001"}]}'
curl -s http://127.0.0.1:8000/feedback -H 'content-type: application/json' -H "x-api-key: $KEY" \\
     -d '{"items": [{"customer": "K0001", "outcome": 1}]}'
curl -s http://127.0.0.1:8000/model -H "x-api-key: $KEY"
curl -s http://127.0.0.1:8000/ready
```
"""

from __future__ import annotations

from ml_utils.client.answers import Answer, Explanation, Fault, ServiceRefused, Warned
from ml_utils.client.calling import Client

__all__ = ["Answer", "Client", "Explanation", "Fault", "ServiceRefused", "Warned"]
