# Makes the images of testdata/pictures that Go cannot write. Run in internal/picture: python testdata/pictures.py
from PIL import Image
d="testdata/pictures/"
red=(200,10,20); blue=(0,20,240)
im=Image.new("RGB",(32,32),red)
im.save(d+"lossless.webp",lossless=True)
im.save(d+"lossy.webp",quality=90)
Image.new("RGBA",(32,32),red+(51,)).save(d+"alpha.webp",lossless=True)
b=Image.new("RGB",(32,32),blue)
im.save(d+"animated.webp",save_all=True,append_images=[b],duration=100,lossless=True)
im.quantize(4).save(d+"animated.gif",save_all=True,append_images=[b.quantize(4)],duration=100)
Image.new("CMYK",(40,30),(55,245,235,0)).save(d+"cmyk.jpg",quality=95)
im.save(d+"progressive.jpg",quality=95,progressive=True)
Image.new("L",(32,32),77).save(d+"grey.jpg",quality=95)
