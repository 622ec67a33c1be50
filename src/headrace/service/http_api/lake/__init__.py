"""Questions to the whole lake over HTTP: differences, SQL, lineage, audit."""
