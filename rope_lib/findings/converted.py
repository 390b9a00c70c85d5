"""Can a trained model be converted to another rotation by brief tuning? (paper B, claim B10, in practice)

Paper B trains RoPE-ID from scratch. Whoever has a trained model asks for another thing: to exchange its
rotation and tune it a little. The packaged SmolLM2-135M is tuned to four arms of `train.conversion`, on the
same pieces of the same text: nothing changed (the control), RoPE-ID, a larger base, no rotation.

Written down before any arm was tuned:

Measures.      The loss on the first 512 tokens of each of six texts, along the tuning; at its end, the loss
               by position of two of them (the first two of `measure.texts`), to 12,288 tokens. The model's
               length is the 8,192 tokens that it declares. Every comparison is with the control, on the same
               tokens after the same steps, so that neither the text nor the tuning text is told as success.
Recovered.     An arm has recovered when the excess of its loss over the control's has a 95 % interval
               (Student's, over the six texts) that ends below `RECOVERED` nats. It is lost where the interval
               begins above that, and open in between.
Extended.      An arm's rise is its loss at positions 8,192 to 12,287 less that at 4,096 to 8,191. It is
               extended when its rise is at most half of the control's in each of the two texts. Two are too
               few for an interval. Only an arm that has recovered can count as converted and extended: one
               that knows little has little to lose.
Expected.      The larger base recovers and extends, as in practice. RoPE-ID begins high, falls to the end
               and does not recover in 24,576 tokens. No rotation begins highest and does not recover either:
               DroPE's own recalibration takes many times as many tokens.
What would     RoPE-ID recovered and extended: paper B's cure is within reach of whoever has a trained model,
change our     and the book must stop saying that it is for training from scratch. The larger base lost: the
mind.          budget is too small to tell anything of the others. The control worse than the untouched model
               by more than `RECOVERED`: the tuning itself does harm, and "recovered" is too easy.
Not covered.   One model of 135M parameters, one rate, one seed of the tuning text's order, 48 steps of 512
               tokens: a failure is one of this budget, not of the idea. Arithmetic is in bfloat16.
"""

RECOVERED = 0.1  # nats over the control's loss: a perplexity higher by a tenth
HALF = 0.5  # of the control's rise: an arm that rises by more is not extended
