using System.Globalization;
using System.Runtime.InteropServices;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Bfd;

/// <summary>
/// The BFD process of a node (BfdProcess starts it): the engine, and a thread that hears the node on standard input.
/// Nothing else runs here. So nothing can hold the engine's thread up: a collection or a compiler stops every thread
/// of its process until the last of them has come to a place where it may stop, which takes a busy node tenths of a
/// second.
/// </summary>
public sealed class BfdWorker
{
    private const int Input = 0, Output = 1;

    private readonly BfdEngine engine;
    private readonly ProcessState node;
    private readonly byte[] ask = BfdWords.NewAsk();

    private BfdWorker(int nodeProcess)
    {
        node = new ProcessState(nodeProcess);
        engine = new BfdEngine(
            TimeProvider.System, new Random(nodeProcess ^ Environment.ProcessId), change => Say(BfdWords.Write(change)),
            Ask, node.IsStopped);
    }

    /// <summary>
    /// Until the node says End (the peers are told AdminDown), or is gone (they are told Down: what it announced must
    /// not stand).
    /// </summary>
    public static int Run(string nodeProcess)
    {
        var worker = new BfdWorker(int.Parse(nodeProcess, CultureInfo.InvariantCulture));
        bool ended = worker.Listen();
        worker.engine.Stop(mourning: !ended);
        worker.engine.Dispose();
        worker.node.Dispose();
        return 0;
    }

    private bool Listen()
    {
        // A terminal or a service manager signals the node and all that it has started: the node says when to end.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = true);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => signal.Cancel = true);
        Pipe.NeverBlock(Output);
        // Not later than the engine's: what it tells the node must be heard, and its answer be brought.
        _ = UrgentThread.RaiseCurrent();
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
        BfdWords.WriteAsk(ask, engine);
        Say(ask);
    }

    // The node reads nothing any more: it is beyond help, and will start another one of us if it comes back.
    private static void Say(ReadOnlySpan<byte> word)
    {
        if (!Pipe.TryWrite(Output, word)) Environment.Exit(1);
    }
}
