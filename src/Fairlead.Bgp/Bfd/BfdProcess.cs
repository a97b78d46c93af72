using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipes;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Bfd;

/// <summary>
/// BFD in a process of its own (BfdWorker), which is the executor of our LastWill too, and the thread that speaks with
/// it. It is started with the first path to watch or the first BGP session, and again when it dies: its sessions go on
/// where they stood, which their peers do not notice when it is back within their detection time.
/// </summary>
internal sealed class BfdProcess : IBfd
{
    private static readonly TimeSpan TurnMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StartAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EndMax = TimeSpan.FromSeconds(1);

    private readonly ProcessStartInfo start;
    private readonly TimeProvider time;
    private readonly Action<BfdChange> onChange;
    private readonly Action askForTurn;
    private readonly Action<string> onFault;
    private readonly Poller poller = new();
    private readonly Dictionary<string, BfdStanding> standing = [];
    private readonly long[] rejects = new long[Enum.GetValues<BfdReject>().Length];
    private readonly long[] rejectsOfDead = new long[Enum.GetValues<BfdReject>().Length];
    private Thread? thread;
    private LastWill? will;
    private ImmutableArray<BfdTarget>[]? nextTargets;
    private TaskCompletionSource<ImmutableArray<BfdStatus>>? question;
    private bool stopping;
    private bool asked;
    private bool turnOwed;
    private bool lookOwed;
    private int urgency;
    private long worstLateness;

    private ImmutableArray<BfdTarget> targets = [];
    private Process? process;
    private BfdWords words = new();
    private long triedAt;
    private int into;
    private int outOf;

    /// <summary>
    /// Start: how the process is run; it adds nothing of its own. OnFault is told on this one's thread, as changes
    /// are, when the process cannot be started or has died.
    /// </summary>
    public BfdProcess(
        ProcessStartInfo start, TimeProvider time, Action<BfdChange> onChange, Action askForTurn,
        Action<string> onFault)
    {
        (this.start, this.time, this.onChange, this.askForTurn) = (start, time, onChange, askForTurn);
        this.onFault = onFault;
        (start.RedirectStandardInput, start.RedirectStandardOutput) = (true, true);
    }

    public Urgency Urgency => (Urgency)Volatile.Read(ref urgency);

    public TimeSpan WorstLateness => TimeSpan.FromTicks(Interlocked.Read(ref worstLateness));

    public long Rejected(BfdReject reason) => Interlocked.Read(ref rejects[(int)reason]);

    public void Start()
    {
        will = new LastWill();
        start.ArgumentList.Add(will.Name);
        thread = new Thread(Run) { IsBackground = true, Name = "bfd-process" };
        thread.Start();
    }

    public void Set(ImmutableArray<BfdTarget> targets)
    {
        Volatile.Write(ref nextTargets, [targets]);
        poller.Wake();
    }

    public void TurnTaken()
    {
        if (!Volatile.Read(ref asked)) return;
        Volatile.Write(ref asked, false);
        Volatile.Write(ref turnOwed, true);
        poller.Wake();
    }

    public Task<ImmutableArray<BfdStatus>> LookAsync()
    {
        var asking = new TaskCompletionSource<ImmutableArray<BfdStatus>>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource<ImmutableArray<BfdStatus>> waiting =
            Interlocked.CompareExchange(ref question, asking, null) ?? asking;
        Volatile.Write(ref lookOwed, true);
        poller.Wake();
        if (thread is not { IsAlive: true }) Answer([]);
        return waiting.Task;
    }

    public void Hold(KernelSocket session)
    {
        will!.Hold(session);
        poller.Wake(); // The first one starts the process.
    }

    public void Release(KernelSocket session) => will!.Release(session);

    public void Stop()
    {
        Volatile.Write(ref stopping, true);
        poller.Wake();
        thread?.Join();
    }

    private void Run()
    {
        // It brings the signs of life that the process waits for.
        _ = UrgentThread.RaiseCurrent();
        while (!Volatile.Read(ref stopping))
        {
            TakeIn();
            if (process is null && IsDue && (!targets.IsEmpty || !will!.IsEmpty)) Begin();
            if (process is not null && will!.IsBroken) Bury("it takes no more sessions");
            if (process is null) Answer([]);
            else Speak();
            poller.Clear();
            int slot = process is null ? -1 : poller.Add(outOf, read: true, write: false);
            int door = process is null || will!.Door < 0 ? -1 : poller.Add(will.Door, read: true, write: false);
            poller.Wait(TurnMax);
            if (door >= 0 && poller.CanRead(door)) will!.Meet(process!.Id);
            if (slot >= 0 && process is not null && poller.CanRead(slot)) Hear();
        }

        End();
        will!.Dispose();
        Answer([]);
    }

    private bool IsDue => triedAt == 0 || time.GetElapsedTime(triedAt) >= StartAgain;

    private void TakeIn()
    {
        if (Interlocked.Exchange(ref nextTargets, null) is not [var next]) return;
        foreach (BfdTarget old in targets)
        {
            // Another path of the same name does not stand where this one did.
            if (!next.Any(target => target.Peer == old.Peer && target.Address.Equals(old.Address)))
                standing.Remove(old.Peer);
        }

        targets = next;
        if (process is not null) Say(BfdWords.Write(targets));
    }

    private void Begin()
    {
        triedAt = time.GetTimestamp();
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception fault)
        {
            onFault($"{start.FileName} cannot be started: {fault.Message}");
            return;
        }

        into = DescriptorOf(process.StandardInput.BaseStream);
        outOf = DescriptorOf(process.StandardOutput.BaseStream);
        Pipe.NeverBlock(into);
        Pipe.NeverBlock(outOf);
        words = new BfdWords();
        rejects.CopyTo(rejectsOfDead, 0);
        Say(BfdWords.Write([.. targets.Select(target =>
            target with { Standing = standing.GetValueOrDefault(target.Peer) })]));
    }

    private static int DescriptorOf(Stream end) => (int)((PipeStream)end).SafePipeHandle.DangerousGetHandle();

    private void Speak()
    {
        if (Interlocked.Exchange(ref turnOwed, false)) Say(BfdWords.Write(BfdWord.Turn));
        if (Interlocked.Exchange(ref lookOwed, false)) Say(BfdWords.Write(BfdWord.Look));
    }

    private void Say(byte[] word)
    {
        // The process takes nothing any more: better none, and another one.
        if (process is not null && !Pipe.TryWrite(into, word)) Bury("it no longer reads");
    }

    private void Hear()
    {
        int read = Pipe.Read(outOf, words.Free);
        if (read is -Libc.EAGAIN or -Libc.EINTR) return;
        if (read <= 0)
        {
            Bury("it has ended");
            return;
        }

        words.Take(read);
        while (words.TryNext(out BfdWord word, out BinaryReader? body)) Hear(word, body);
    }

    private void Hear(BfdWord word, BinaryReader body)
    {
        switch (word)
        {
            case BfdWord.Ask:
                Volatile.Write(ref urgency, body.ReadByte());
                Interlocked.Exchange(ref worstLateness, Math.Max(worstLateness, body.ReadInt64()));
                for (int i = 0; i < rejects.Length; i++)
                    Interlocked.Exchange(ref rejects[i], rejectsOfDead[i] + body.ReadInt64());
                Volatile.Write(ref asked, true);
                askForTurn();
                break;
            case BfdWord.Change:
                BfdChange change = BfdWords.ReadChange(body);
                if (change.Standing is { } stands) standing[change.Peer] = stands;
                else standing.Remove(change.Peer);
                onChange(change);
                break;
            case BfdWord.Status:
                Answer(BfdWords.ReadStatus(body));
                break;
            default:
                throw new InvalidDataException($"the BFD process says {word}");
        }
    }

    private void Answer(ImmutableArray<BfdStatus> sessions) =>
        Interlocked.Exchange(ref question, null)?.TrySetResult(sessions);

    private void Bury(string why)
    {
        using (Process dead = process!)
        {
            process = null;
            will!.Forget();
            dead.Kill();
            dead.WaitForExit(EndMax);
            onFault($"{why} (exit code {(dead.HasExited ? dead.ExitCode : -1)})");
        }

        // At once after a life, later after a death at birth.
        if (time.GetElapsedTime(triedAt) >= StartAgain) triedAt = 0;
    }

    private void End()
    {
        if (process is not { } ending) return;
        Say(BfdWords.Write(BfdWord.End));
        if (!ending.WaitForExit(EndMax)) ending.Kill();
        ending.Dispose();
    }
}
