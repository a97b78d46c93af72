using System.Diagnostics;

namespace Fairlead.Fuzz;

/// <summary>What a run has come to. Finding: the file of the input that broke something; null: none did.</summary>
public sealed record FuzzResult(long Executions, int Behaviours, TimeSpan Time, string? Finding, string Story);

/// <summary>
/// Runs a target on its corpus and on changes of it, until it breaks, hangs, or the time or the runs are over. The same
/// seed and runs give the same inputs again. Inputs that were treated in a new way join those that are changed.
/// </summary>
public sealed class Fuzzer(IFuzzTarget target, int seed)
{
    private const int KeptMax = 4096;
    private static readonly TimeSpan HangAfter = TimeSpan.FromSeconds(5);

    private readonly Random random = new(seed);
    private readonly List<byte[]> kept = [.. Corpus.Seeds(target)];
    private readonly HashSet<int> behaviours = [];
    private readonly Stopwatch clock = new();
    private byte[] running = [];
    private long startedAt;
    private long executions;
    private Exception? fault;

    /// <summary>A hang ends with a finding too, but its thread goes on: the program should then end.</summary>
    public FuzzResult Run(TimeSpan time, long runsMax)
    {
        if (kept.Count == 0) throw new InvalidOperationException($"corpus/{target.Name} is empty");
        clock.Start();
        Volatile.Write(ref startedAt, 0);
        var thread = new Thread(() => Loop(time, runsMax)) { IsBackground = true, Name = "fuzz" };
        thread.Start();
        while (!thread.Join(TimeSpan.FromMilliseconds(100)))
        {
            // A stalled machine must not look like a hang: the input is then only looked at a little longer.
            if (clock.Elapsed - new TimeSpan(Volatile.Read(ref startedAt)) > HangAfter
                && !thread.Join(HangAfter / 2)
                && clock.Elapsed - new TimeSpan(Volatile.Read(ref startedAt)) > HangAfter)
                return Ended($"hangs: no end after {HangAfter.TotalSeconds} s");
        }

        return fault is null ? new(executions, behaviours.Count, clock.Elapsed, null, "") : Ended(fault.ToString());
    }

    private void Loop(TimeSpan time, long runsMax)
    {
        var mutator = new Mutator(random, target.Tokens, target.BytesMax);
        try
        {
            foreach (byte[] input in kept.ToArray()) Try(input);
            while (executions < runsMax && clock.Elapsed < time)
            {
                // The newest are changed more often: what they have found lies at the edge of what is known.
                int one = random.Next(kept.Count);
                if (random.Next(2) == 0) one = kept.Count - 1 - (one / 8);
                mutator.Mutate(kept[one], kept[random.Next(kept.Count)]);
                if (Try(mutator.Current) && kept.Count < KeptMax) kept.Add(running);
            }
        }
        catch (Exception found)
        {
            // The top loop of this thread: whatever the target throws is what we are looking for.
            fault = found;
        }
    }

    private bool Try(ReadOnlySpan<byte> input)
    {
        running = input.ToArray();
        Volatile.Write(ref startedAt, clock.Elapsed.Ticks);
        executions++;
        return behaviours.Add(target.Run(running));
    }

    private FuzzResult Ended(string story)
    {
        string path = Corpus.Save(
            target, running, $"Found by Fairlead.Fuzz {target.Name} --seed {seed}, run {executions}\n{story}");
        return new(executions, behaviours.Count, clock.Elapsed, path, story);
    }
}
