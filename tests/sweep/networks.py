"""The networks of the sweep: how each is made, and the shape of an example; their weights are random."""

import torchvision
from torchvision.models import detection, segmentation, video

OF_TORCHVISION = """
alexnet vgg11_bn resnet18 wide_resnet50_2 resnext50_32x4d densenet121 squeezenet1_1 mobilenet_v2 mobilenet_v3_small
mobilenet_v3_large mnasnet0_5 shufflenet_v2_x0_5 shufflenet_v2_x1_0 efficientnet_b0 efficientnet_v2_s regnet_x_400mf
regnet_y_400mf convnext_tiny
"""
OF_TIMM = """
resnet26d resnetblur18 seresnext26d_32x4d skresnet18 resnest14d ecaresnet26t cspresnet50 cspdarknet53 dla34
hrnet_w18_small res2net50_14w_8s dpn48b vovnet39a repvgg_a0 regnetx_002 rexnet_100 mobilenetv3_small_050
mobilenetv4_conv_small tinynet_e efficientnet_lite0 fbnetc_100 hardcorenas_a lcnet_050 ghostnet_100 ghostnetv2_100
nf_regnet_b0 xception41 convmixer_768_32 selecsls42 ese_vovnet19b_dw gernet_s fastvit_t8 repghostnet_050 starnet_s1
edgenext_xx_small darknet53 hgnetv2_b0 densenetblur121d seresnet18 mixnet_s spnasnet_100 mobilevit_xxs efficientvit_b0
"""
IMAGE, MIDDLE, LARGE = (3, 64, 64), (3, 96, 96), (3, 224, 224)
CLIP = (3, 8, 56, 56)
TORCHVISION = dict.fromkeys(OF_TORCHVISION.split(), IMAGE)
TORCHVISION |= {"resnet50": LARGE, "googlenet": MIDDLE, "inception_v3": (3, 128, 128)}
SEGMENTATION = dict.fromkeys(
    ["fcn_resnet50", "deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"], IMAGE
)
VIDEO = {"r3d_18": CLIP, "mc3_18": CLIP, "r2plus1d_18": (3, 16, 112, 112)}
DETECTION = {"fasterrcnn_resnet50_fpn": IMAGE, "retinanet_resnet50_fpn": IMAGE, "ssdlite320_mobilenet_v3_large": (3, 128, 128)}
TIMM = dict.fromkeys(OF_TIMM.split(), MIDDLE) | {"mobileone_s0": LARGE}


def made(library, name):
    """A network of a library, in eval mode; of a detector, its backbone."""
    if library == "timm":
        import timm  # noqa: PLC0415 (an extra)

        return timm.create_model(name, num_classes=10).eval()
    if library == "detection":
        return getattr(detection, name)(weights=None, weights_backbone=None).backbone.eval()
    if library == "segmentation":
        return getattr(segmentation, name)(weights=None, weights_backbone=None).eval()
    if library == "video":
        return getattr(video, name)(weights=None).eval()
    more = {"init_weights": False} if name in {"googlenet", "inception_v3"} else {}
    return getattr(torchvision.models, name)(weights=None, num_classes=10, **more).eval()


LIBRARIES = {"torchvision": TORCHVISION, "segmentation": SEGMENTATION, "video": VIDEO, "detection": DETECTION, "timm": TIMM}
EVERY = [(library, name, shape) for library, names in LIBRARIES.items() for name, shape in names.items()]
