"""A device is chosen by the name that torch has for it, and what a kind of device can say about itself is asked of it."""

import pytest
import torch
from standin import DRIVER
from toys import toy_case

from pruning_oracle.bench import device
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import memory


def test_auto_takes_what_torch_finds():
    assert device.choose_device("auto").type == "standin"
    assert device.choose_device("standin:0") == torch.device("standin:0")
    assert device.choose_device("cpu").type == "cpu"
    with pytest.raises(BadInput, match="unknown device 'standing': choose from auto, cpu, standin"):
        device.choose_device("standing")
    with pytest.raises(BadInput, match="torch sees no such device here: choose auto, cpu or standin"):
        device.choose_device("meta")


def test_memory_waiting_and_names_are_the_devices():
    there = device.choose_device("auto")
    assert device.device_name(there) == "standin"
    assert memory.default_memory(there) == 2**32
    waits, released = DRIVER.waits, DRIVER.released
    device.finish()
    device.release_memory(there)
    device.release_memory(device.CPU)
    assert (DRIVER.waits, DRIVER.released) == (waits + 1, released + 1)
    memory.forget_peak(there)
    held = torch.zeros(1000, device=there)
    assert memory.peak(there) >= held.nbytes


def test_tf32_is_not_this_devices():
    with pytest.raises(BadInput, match="precision 'tf32' is an NVIDIA GPU's"):
        toy_case("plain").to("auto", "tf32")
