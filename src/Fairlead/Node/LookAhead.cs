using System.Diagnostics;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Zones;
using Fairlead.Fleet;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Linux;

namespace Fairlead.Node;

/// <summary>
/// Goes through what the likely plans after this one would answer, so that little is left to do when one of them comes:
/// where zones are signed here the signatures are made, and once for each fleet the way itself is gone, so that code
/// that hardly ever runs is compiled when it must. It has a thread of its own that works for a moment and then rests
/// for longer: what it does is never urgent. A plan that nobody thought of takes longer when it comes.
/// </summary>
public sealed class LookAhead : IDisposable
{
    private static readonly TimeSpan Work = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(6);

    private readonly SemaphoreSlim news = new(0);
    private readonly CancellationTokenSource stop = new();
    private readonly Thread thread;
    private Job? newest;
    private int ready;

    public LookAhead()
    {
        thread = new Thread(Run) { Name = "look-ahead", IsBackground = true };
        thread.Start();
    }

    /// <summary>How many signed sets were at hand when it was last through; -1: it is at work.</summary>
    public int Ready => Volatile.Read(ref ready);

    /// <summary>Looks ahead from this plan, and no further from the one before it. Cheap, from any thread.</summary>
    public void From(LoadedFleet fleet, Plan plan)
    {
        Volatile.Write(ref ready, -1);
        Volatile.Write(ref newest, new Job(fleet, plan));
        if (news.CurrentCount == 0) news.Release();
    }

    public void Dispose()
    {
        stop.Cancel();
        thread.Join();
        stop.Dispose();
        news.Dispose();
    }

    private void Run()
    {
        // Where the kernel refuses, resting is what keeps it out of the way.
        _ = QuietThread.LowerCurrent();
        (LoadedFleet? Fleet, byte[] Plan, int Ready) done = (null, [], 0);
        LoadedFleet? walked = null;
        try
        {
            while (true)
            {
                news.Wait(stop.Token);
                if (Volatile.Read(ref newest) is not { } job) continue;
                if (walked != job.Fleet)
                {
                    Walk(job);
                    walked = job.Fleet;
                }

                // Reasons and times change more often than what is answered.
                byte[] plan = FleetJson.Write(LikelyPlans.After(job.Fleet.Spec, job.Plan).First());
                if (done.Fleet != job.Fleet || !done.Plan.AsSpan().SequenceEqual(plan))
                {
                    if (Prepare(job) is not { } through) continue;
                    done = (job.Fleet, plan, through);
                }

                if (Volatile.Read(ref newest) == job) Volatile.Write(ref ready, done.Ready);
            }
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
    }

    // As often as makes the runtime compile the way for good.
    private void Walk(Job job)
    {
        const int timesMin = 40;
        Plan[] likely = [.. LikelyPlans.After(job.Fleet.Spec, job.Plan)];
        SteeringTable table = job.Fleet.Steering.Of(job.Plan);
        var work = Stopwatch.StartNew();
        for (int i = 0; i < timesMin; i++)
        {
            table = job.Fleet.Steering.Of(likely[i % likely.Length], null, table);
            Pace(work);
        }
    }

    // Null: there is a newer plan to look ahead from. What was signed so far stays in the cache.
    private int? Prepare(Job job)
    {
        var ahead = new SigningAhead(job.Fleet.Signing.SignerOf);
        var work = Stopwatch.StartNew();
        int sets = 0;
        foreach (Plan likely in LikelyPlans.After(job.Fleet.Spec, job.Plan))
        {
            Pace(work);
            if (!job.Fleet.Signing.SignsSteered) continue;
            foreach (RRset _ in ahead.Sign(job.Fleet.Steering.Names(likely)))
            {
                sets++;
                Pace(work);
                if (Volatile.Read(ref newest) != job) return null;
            }
        }

        return sets;
    }

    private void Pace(Stopwatch work)
    {
        if (work.Elapsed < Work) return;
        stop.Token.ThrowIfCancellationRequested();
        stop.Token.WaitHandle.WaitOne(Rest);
        work.Restart();
    }

    private sealed record Job(LoadedFleet Fleet, Plan Plan);
}
