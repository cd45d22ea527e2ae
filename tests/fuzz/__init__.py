"""Random small networks thrown at sites, engines and surgery, with deletion by hand as the judge: `python -m fuzz`."""
