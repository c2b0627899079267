"""The model call: prompt, schema, one request, and the offline agent over the same client."""
