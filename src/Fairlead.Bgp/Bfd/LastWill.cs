using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Bfd;

/// <summary>
/// What the BFD process does when the node has been killed: it ends the BGP sessions, of whose sockets it holds
/// descriptors too. The kernel would do so only after it has taken the node's memory down; until then every router
/// would go on sending users to a dead machine. Hold and Release are the speaker's, the rest the thread's that speaks
/// with the process.
/// </summary>
internal sealed class LastWill : IDisposable
{
    private readonly Lock gate = new();
    private readonly Lifeline lifeline = new();
    private readonly DescriptorChannel door;
    private readonly HashSet<int> held = [];
    private DescriptorChannel? executor;

    /// <summary>IOException when the kernel gives no memory to share, or no socket.</summary>
    public LastWill()
    {
        Name = $"fairlead-{Environment.ProcessId}-{Guid.NewGuid():N}";
        door = DescriptorChannel.Listen(Name);
    }

    /// <summary>Where the executor finds us.</summary>
    public string Name { get; }

    /// <summary>Readable when the executor comes; -1 when it is there.</summary>
    public int Door => executor is null ? door.Fd : -1;

    /// <summary>The executor takes no more: it is dead, or as good as dead, and another one is needed.</summary>
    public bool IsBroken { get; private set; }

    public bool IsEmpty
    {
        get
        {
            lock (gate) return held.Count == 0;
        }
    }

    /// <summary>The connection on this socket ends with the node. To be released before it is closed.</summary>
    public void Hold(KernelSocket socket)
    {
        lock (gate)
        {
            held.Add(socket.Fd);
            Tell(Number(socket.Fd), socket.Fd);
        }
    }

    public void Release(KernelSocket socket)
    {
        lock (gate)
        {
            if (held.Remove(socket.Fd)) Tell(-Number(socket.Fd));
        }
    }

    /// <summary>Takes the executor in, if that process is at the door, and tells it all.</summary>
    public void Meet(int process)
    {
        lock (gate)
        {
            executor = door.Accept(process);
            Tell(LastWillExecutor.Lifeline, lifeline.Fd);
            foreach (int socket in held) Tell(Number(socket), socket);
        }
    }

    /// <summary>The process is dead; another one may come.</summary>
    public void Forget()
    {
        lock (gate)
        {
            executor?.Dispose();
            (executor, IsBroken) = (null, false);
        }
    }

    public void Dispose()
    {
        Forget();
        door.Dispose();
        lifeline.Dispose();
    }

    private static int Number(int socket) => socket + 1;

    private void Tell(int number, int descriptor = -1) => IsBroken |= executor?.Send(number, descriptor) == false;
}

/// <summary>The BFD process's side of a LastWill.</summary>
internal sealed class LastWillExecutor
{
    /// <summary>The message that brings the lifeline. Others bring a session by its number, or take it back.</summary>
    public const int Lifeline = 0;

    private readonly Lock gate = new();
    private readonly Dictionary<int, int> sessions = [];
    private readonly DescriptorChannel will;
    private readonly Action afterwards;

    private LastWillExecutor(DescriptorChannel will, Action afterwards) =>
        (this.will, this.afterwards) = (will, afterwards);

    /// <summary>
    /// Afterwards is called once all sessions have been ended, on a thread of this one. False when the node is gone
    /// already.
    /// </summary>
    public static bool TryStart(string name, Action afterwards)
    {
        if (DescriptorChannel.Connect(name) is not { } will) return false;
        var executor = new LastWillExecutor(will, afterwards);
        new Thread(executor.Read) { IsBackground = true, Name = "last-will" }.Start();
        return true;
    }

    private void Read()
    {
        _ = UrgentThread.RaiseCurrent();
        while (will.Receive(out int number, out int descriptor))
        {
            if (number != Lifeline) Take(number, descriptor);
            else new Thread(() => Await(descriptor)) { IsBackground = true, Name = "lifeline" }.Start();
        }
    }

    private void Take(int number, int descriptor)
    {
        lock (gate)
        {
            if (sessions.Remove(Math.Abs(number), out int before)) Libc.CloseOnce(ref before);
            if (number > 0) sessions[number] = descriptor;
        }
    }

    private void Await(int lifeline)
    {
        _ = UrgentThread.RaiseCurrent();
        _ = Libc.Shutdown(-1, Libc.SHUT_RDWR); // A first call looks for the function; not when it is urgent.
        Net.Linux.Lifeline.AwaitEnd(lifeline);
        lock (gate)
        {
            foreach (int session in sessions.Values) _ = Libc.Shutdown(session, Libc.SHUT_RDWR);
        }

        afterwards();
    }
}
