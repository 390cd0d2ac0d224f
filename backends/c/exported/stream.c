/* Runs one core on the points that stand in the standard input, for a program to read.
 *
 * Usage: stream CORE < inputs > results. The input is one 32-bit integer for every value of every
 * point. The output is, for every point, a 16-bit integer for every unit of every population and
 * step, then a 64-bit integer for every output.
 */
#include <stdio.h>
#include <stdlib.h>

#include "samples.h"

static void write_events(int step, int population, const sp_event *events, int units)
{
    (void)step;
    (void)population;
    fwrite(events, sizeof *events, (size_t)units, stdout);
}

int main(int count, char **arguments)
{
    const int chosen = count == 2 ? atoi(arguments[1]) : -1;
    if (chosen < 0 || chosen >= CORES) {
        fprintf(stderr, "usage: %s CORE < inputs > results\n", arguments[0]);
        return 2;
    }
    const struct sample_core *core = &sample_cores[chosen];
    int32_t input[MOST_INPUTS];
    int64_t output[MOST_OUTPUTS];
    core->reset();
    while (fread(input, sizeof *input, (size_t)core->inputs, stdin) == (size_t)core->inputs) {
        core->run(input, output, write_events);
        fwrite(output, sizeof *output, (size_t)core->outputs, stdout);
    }
    return ferror(stdin) || ferror(stdout);
}
