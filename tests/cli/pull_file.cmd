# A file is copied and its digest recorded; a second pull changes nothing; a wrong digest is refused.
printf 'GGUF and more' >$T/m.gguf
ingot model pull $T/m.gguf
printf 'GGUF changed' >$T/m.gguf
ingot model pull $T/m.gguf
ingot model pull $T/m.gguf --again --sha256 $(printf %064d 0) || echo "status $?"
(cd $T/home/models && sha256sum -c m.gguf.sha256)
ingot model pull $T/m.gguf --again
(cd $T/home/models && sha256sum -c m.gguf.sha256)
ingot model pull $T/m.gguf --sha256 $(printf %064d 0) || echo "status $?"
ingot model pull $T/m.gguf --sha256 abc || echo "status $?"
echo '<html>' >$T/page.gguf
ingot model pull $T/page.gguf || echo "status $?"
ls $T/home/models
