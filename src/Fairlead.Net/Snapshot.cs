namespace Fairlead.Net;

/// <summary>The newest immutable T. One writer; a reader takes Current once per batch and keeps to it.</summary>
public sealed class Snapshot<T>(T initial)
    where T : class
{
    private T current = initial;

    public T Current => Volatile.Read(ref current);

    public void Publish(T next) => Volatile.Write(ref current, next);
}
