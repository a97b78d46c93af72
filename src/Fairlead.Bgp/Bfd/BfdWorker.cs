using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Bfd;

/// <summary>
/// The BFD process of a node (BfdProcess starts it): the engine, a thread that hears the node on standard input, one
/// that tells it what the engine has to say, and those of its last will. Nothing else runs here. So nothing can hold
/// the engine's thread up: a collection or a compiler stops every thread of its process until the last of them has come
/// to a place where it may stop, which takes a busy node tenths of a second.
/// </summary>
public sealed class BfdWorker
{
    private const int Input = 0, Output = 1;
    private const int WaitingMax = 10_000;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    private readonly BfdEngine engine;
    private readonly ProcessState node;
    private readonly ConcurrentQueue<byte[]> toSay = new();
    private readonly Poller speaks = new();
    private bool asks;
    private bool ending;

    private BfdWorker(int nodeProcess)
    {
        node = new ProcessState(nodeProcess);
        engine = new BfdEngine(
            TimeProvider.System, new Random(nodeProcess ^ Environment.ProcessId), change => Say(BfdWords.Write(change)),
            Ask, node.IsStopped);
    }

    /// <summary>
    /// Until the node says End (the peers are told AdminDown), or is gone: its BGP sessions are ended and the peers
    /// told Down, for what it announced must not stand. LastWill is the name under which the node says what that is.
    /// </summary>
    public static int Run(string nodeProcess, string lastWill)
    {
        var worker = new BfdWorker(int.Parse(nodeProcess, CultureInfo.InvariantCulture));
        if (!LastWillExecutor.TryStart(lastWill, () => worker.engine.Stop(mourning: true))) return 1;
        bool ended = worker.Listen();
        worker.engine.Stop(mourning: !ended);
        worker.engine.Dispose();
        worker.node.Dispose();
        Volatile.Write(ref worker.ending, true);
        worker.speaks.Wake();
        return 0;
    }

    private bool Listen()
    {
        // A terminal or a service manager signals the node and all that it has started: the node says when to end.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = true);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => signal.Cancel = true);
        // Not later than the engine's: what it tells the node must be heard, and its answer be brought.
        _ = UrgentThread.RaiseCurrent();
        new Thread(Speak) { IsBackground = true, Name = "bfd-speaks" }.Start();
        engine.Start();
        var words = new BfdWords();
        int read;
        while ((read = Pipe.Read(Input, words.Free)) > 0 || read == -Libc.EINTR)
        {
            words.Take(Math.Max(0, read));
            while (words.TryNext(out BfdWord word, out BinaryReader? body))
            {
                if (word == BfdWord.End) return true;
                Hear(word, body);
            }
        }

        return false;
    }

    private void Hear(BfdWord word, BinaryReader body)
    {
        switch (word)
        {
            case BfdWord.Turn:
                engine.TurnTaken();
                break;
            case BfdWord.Targets:
                engine.Set(BfdWords.ReadTargets(body));
                break;
            case BfdWord.Look:
                _ = TellStatusAsync();
                break;
            default:
                throw new InvalidDataException($"the node says {word}");
        }
    }

    private async Task TellStatusAsync() => Say(BfdWords.Write(await engine.LookAsync().ConfigureAwait(false)));

    private void Ask()
    {
        Volatile.Write(ref asks, true);
        speaks.Wake();
    }

    private void Say(byte[] word)
    {
        // The node reads nothing any more: it is beyond help, and will start another one of us if it comes back.
        if (toSay.Count >= WaitingMax) Environment.Exit(1);
        toSay.Enqueue(word);
        speaks.Wake();
    }

    // Not the engine's thread: while the node takes a word in, the pipe is locked, and the node may have to wait for
    // its memory just then.
    private void Speak()
    {
        _ = UrgentThread.RaiseCurrent();
        byte[] ask = BfdWords.NewAsk();
        while (!Volatile.Read(ref ending))
        {
            speaks.Clear();
            speaks.Wait(Timeout);
            bool heard = true;
            while (heard && toSay.TryDequeue(out byte[]? word)) heard = Pipe.TryWrite(Output, word);
            if (heard && Interlocked.Exchange(ref asks, false))
            {
                BfdWords.WriteAsk(ask, engine);
                heard = Pipe.TryWrite(Output, ask);
            }

            if (heard) continue;
            engine.Stop(mourning: true); // The node is gone.
            Environment.Exit(1);
        }
    }
}
