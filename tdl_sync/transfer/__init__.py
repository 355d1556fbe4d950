"""The life of one file: admitted, downloaded, uploaded, marked; ``pipeline`` tells it in one
function. It sees the outside through ``core.ports`` alone, and may import options and core."""
