"""Other libraries' criteria, computed as those libraries compute them, one file per library."""

# None of this suite's own criteria may depend on the order of the examples. These do, as their projects compute them:
AS_SHIPPED = {
    "torch_pruning_hessian": "it keeps the last example only",
    "nvlabs_gate": "it squares a minibatch's mean",
    "nvlabs_iclr2017": "it scales every minibatch to 1",
    "nni_taylor": "it squares a minibatch's gradient",
}
