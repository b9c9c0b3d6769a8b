"""An exported classifier without Foveal: python without_foveal.py flowers.onnx rose.jpg"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
about = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
how = about["preprocessing"]
size, mode = how["size"], {"grey": "L"}.get(about["input"]["colours"], about["input"]["colours"])
picture = ImageOps.exif_transpose(Image.open(sys.argv[2])).convert(mode)
shorter, wide, high = int(size / how["crop"]), *picture.size
sides = [int(shorter * side / min(wide, high)) for side in (wide, high)]
picture = picture.resize(sides, Image.Resampling[how["interpolation"].upper()])
left, top = (round((side - size) / 2) for side in sides)
picture = picture.crop((left, top, left + size, top + size))
pixels = np.asarray(picture, np.uint8).reshape(1, size, size, -1).transpose(0, 3, 1, 2)
(probabilities,) = session.run(None, {"pictures": pixels})
for place in np.argsort(-probabilities[0])[:5]:
    print(f"{about['labels'][place]}  {probabilities[0][place]:.4f}")
